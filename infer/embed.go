package infer

import "expertfs/infer/weights"

// embed sets x to the embeddings of ids, one vector each.
func embed(table *weights.Embedding, x vectors, ids []int) error {
	for t, id := range ids {
		if err := table.Row(x.at(t), id); err != nil {
			return err
		}
	}
	return nil
}
