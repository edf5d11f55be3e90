package checkpoint_test

import (
	"os"
	"path/filepath"
	"testing"

	"expertfs/checkpoint"
	"expertfs/checkpoint/checkpointtest"
	"expertfs/checkpoint/checkpointtest/reference"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/source/storetest"
	"expertfs/checkpoint/synth"

	"github.com/stretchr/testify/require"
)

// forms are folders with a checkpoint of each format.
func forms(t *testing.T) map[string]string {
	t.Helper()
	c, err := config.Preset("tiny")
	require.NoError(t, err)
	sharded := filepath.Join(t.TempDir(), "sharded")
	require.NoError(t, synth.Write(t.Context(), sharded, synth.Options{Config: c, Seed: 3, Layout: layout.HuggingFace, ShardBytes: 400_000}))
	tree := t.TempDir()
	require.NoError(t, checkpointtest.WriteTree(tree, reference.Path(t, "a64/hf")))
	nested := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(nested, "original"), os.DirFS(reference.Path(t, "a64/original"))))
	return map[string]string{
		"huggingface": reference.Path(t, "a64/hf"), "openai": reference.Path(t, "a64/original"),
		"sharded": sharded, "tree": tree, "nested": nested, "gguf": oneGGUF(t),
	}
}

// oneGGUF is a folder with one of the reference's GGUF files.
func oneGGUF(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	const name = "bf16.gguf"
	data, err := os.ReadFile(reference.Path(t, "a64/gguf/"+name))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	return dir
}

// A checkpoint is the same model wherever it is.
func TestEveryFormatFromEveryPlace(t *testing.T) {
	for form, dir := range forms(t) {
		t.Run(form, func(t *testing.T) {
			local, err := checkpoint.Open(dir)
			require.NoError(t, err)
			defer local.Close()
			want, err := checkpointtest.Files(local)
			require.NoError(t, err)

			bucket := storetest.Files(t, dir, "some/model/")
			storetest.S3(t, bucket)
			storetest.NewHub(t, storetest.Files(t, dir, ""))
			listed := storetest.Web(t, bucket, true)
			unlisted := storetest.Web(t, bucket, false)
			places := []string{"s3://models/some/model", "hf://owner/name"}
			if form != "tree" { // of whose folders a web server says nothing
				places = append(places, listed.URL+"/some/model/")
			}
			if form == "gguf" {
				const file = "/bf16.gguf"
				places = append(places, unlisted.URL+"/some/model"+file, "s3://models/some/model"+file)
			} else if form != "tree" {
				places = append(places, unlisted.URL+"/some/model")
			}
			for _, place := range places {
				ck, err := checkpoint.Open(place)
				require.NoError(t, err, place)
				require.Equal(t, local.ID(), ck.ID(), place)
				require.Equal(t, local.Format(), ck.Format(), place)
				got, err := checkpointtest.Files(ck)
				require.NoError(t, err, place)
				for name, data := range got {
					require.True(t, string(want[name]) == string(data), "%s: %s", place, name)
				}
				require.Equal(t, len(want), len(got), place)
				require.NoError(t, ck.Close())
			}
		})
	}
}

// Repositories of quantised files keep each model in a folder, in files of several.
func TestAFolderOfARepository(t *testing.T) {
	dir := oneGGUF(t)
	files := storetest.Files(t, dir, "UD-Q4_K_XL/")
	files["Q8_0/other.gguf"] = files["UD-Q4_K_XL/bf16.gguf"]
	storetest.NewHub(t, files)
	local, err := checkpoint.Open(dir)
	require.NoError(t, err)
	defer local.Close()
	const revision = "@" + storetest.Commit
	for place, name := range map[string]string{
		"hf://owner/name/UD-Q4_K_XL": "UD-Q4_K_XL", "hf://owner/name/UD-Q4_K_XL/bf16.gguf": "bf16", "hf://owner/name@main/Q8_0/other.gguf": "other",
		"hf://owner/name" + revision + "/UD-Q4_K_XL/": "UD-Q4_K_XL",
	} {
		ck, err := checkpoint.Open(place)
		require.NoError(t, err, place)
		require.Equal(t, local.ID(), ck.ID(), place)
		require.Equal(t, name, ck.Name(), place)
		require.NoError(t, ck.Close())
	}
	_, err = checkpoint.Open("hf://owner/name")
	require.ErrorContains(t, err, "hf://owner/name: no *.safetensors files here")
}

func TestPlacesWithoutACheckpoint(t *testing.T) {
	storetest.S3(t, map[string][]byte{"b/readme.txt": []byte("x")})
	_, err := checkpoint.Open("s3://models/b")
	require.ErrorContains(t, err, "s3://models/b: no *.safetensors files here")
	_, err = checkpoint.Open("s3://models/b/x.gguf")
	require.ErrorContains(t, err, "x.gguf")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	_, err = checkpoint.Open("s3://models/b")
	require.ErrorContains(t, err, "s3://models/b: GET 127.0.0.1:1: ")
	require.NotContains(t, err.Error(), storetest.Secret)
}
