package gguf

import (
	"fmt"

	"expertfs/checkpoint/config"
	"expertfs/checkpoint/format"
)

// names are what a tensor of the model is called in GGUF files: a list for each
// way, of the tensors that make it up by rows. Those of layers come after
// "blk.N.".
var names = map[string][][]string{
	"embedding.weight":   {{"token_embd.weight"}},
	"norm.scale":         {{"output_norm.weight"}},
	"unembedding.weight": {{"output.weight"}, {"token_embd.weight"}}, // one for both, as Ollama reads it
	"attn.norm.scale":    {{"attn_norm.weight"}},
	"attn.qkv.weight":    {{"attn_q.weight", "attn_k.weight", "attn_v.weight"}, {"attn_qkv.weight"}},
	"attn.qkv.bias":      {{"attn_q.bias", "attn_k.bias", "attn_v.bias"}, {"attn_qkv.bias"}},
	"attn.sinks":         {{"attn_sinks.weight"}, {"attn_sinks"}},
	"attn.out.weight":    {{"attn_output.weight"}, {"attn_out.weight"}},
	"attn.out.bias":      {{"attn_output.bias"}, {"attn_out.bias"}},
	"mlp.norm.scale":     {{"post_attention_norm.weight"}, {"ffn_norm.weight"}},
	"mlp.gate.weight":    {{"ffn_gate_inp.weight"}},
	"mlp.gate.bias":      {{"ffn_gate_inp.bias"}},
}

// Names of the tensors of experts. Two tensors for the first matrix are its gate
// and its linear rows, which alternate in the model; fusedName has them so.
var (
	pairNames = []string{"ffn_gate_exps", "ffn_up_exps"}
	fusedName = []string{"ffn_gate_up_exps"}
	downName  = []string{"ffn_down_exps"}
)

// named returns the name of a tensor of a layer, or of none.
func named(layer int, name string) string {
	if layer == format.NoLayer {
		return name
	}
	return fmt.Sprintf("blk.%d.%s", layer, name)
}

// pieceRows returns how the rows of a tensor are shared among its pieces.
func pieceRows(c *config.Config, t format.Tensor, pieces int) []int64 {
	if pieces == 1 {
		return t.Shape[:1]
	}
	return format.HeadRows(c)
}
