package nvme

import "expertfs/checkpoint/source"

// Source is a file of the checkpoint. Tests wrap it to make it fail.
type Source = source.Source

// sector is what lengths of buffers are multiples of: no drive in use asks for
// more than a page.
const sector = 4096
