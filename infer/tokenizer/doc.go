// Package tokenizer turns text into token ids and back, with byte-level BPE as
// GPT-OSS uses it.
//
// A model folder's tokenizer.json is followed where there is one; otherwise
// the vocabulary is o200k_harmony, which is built in. Text goes through two
// steps: the o200k pattern splits it into pieces (split.go), and in each piece
// neighbouring tokens are merged, the earliest learned merge first (bpe.go).
// Every byte is a token, so any string, valid UTF-8 or not, survives Encode
// and Decode unchanged.
//
// Special tokens such as <|end|> are never made from ordinary text: only
// EncodeSpecial and Special produce them. Text of a user can therefore not
// imitate the structure of a conversation.
//
// # The built-in vocabulary
//
// o200k.bin.gz holds the 199,998 tokens of o200k_base in the order of their
// ids, which is also the order of merges. The source is o200k_base.tiktoken
// of OpenAI's tiktoken (MIT; see LICENSE.o200k), as it is carried by the Go
// module github.com/pkoukk/tiktoken-go-loader v0.0.2. The program in gen
// checks the source's SHA-256 and writes the file.
package tokenizer
