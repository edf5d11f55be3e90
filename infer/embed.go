package infer

// embed writes the embeddings of ids, one row of the hidden size each.
func (e *Engine) embed(dst []float32, ids []int) error {
	h := e.cfg.Hidden
	for t, id := range ids {
		if err := e.embedding.Row(dst[t*h:(t+1)*h], id); err != nil {
			return err
		}
	}
	return nil
}
