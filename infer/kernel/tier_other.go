package kernel

func supported() []*tier { return []*tier{generic} }
