package fsys_test

import (
	"testing"

	"expertfs"
	"expertfs/checkpoint/gguf/gguftest"

	"github.com/stretchr/testify/require"
)

// TestGGUF mounts the small model in the forms that llama.cpp and Ollama write and
// reads every byte in every way. The experts, and the dense files of BF16 forms,
// are those of the model in safetensors.
func TestGGUF(t *testing.T) {
	plain := openModel(t, "embed:tiny")
	forms := []string{"bf16", "q8_0", "ollama4"}
	if testing.Short() {
		forms = forms[1:2]
	}
	for _, form := range forms {
		t.Run(form, func(t *testing.T) {
			kvs, tensors := gguftest.Model(t, plain.ck, gguftest.Forms[form])
			path := gguftest.Save(t, t.TempDir(), kvs, tensors, 2)[1]
			m := openModel(t, path)
			for name, data := range plain.files {
				same := name != "config.json" && name != "tokenizer.json" && name != "generation_config.json"
				if same && (form != "q8_0" || len(data) == int(plain.ck.ExpertSize())) {
					require.Equal(t, data, m.files[name], name)
				}
			}
			for _, mechanism := range []expertfs.Mechanism{"", expertfs.Direct} {
				m.compareWithin(t, serverConfig{Slots: 12, Mechanism: mechanism}, 1)
			}
		})
	}
}
