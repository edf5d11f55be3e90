// Package config reads and writes the config.json of GPT-OSS models, in the
// spelling of OpenAI's original checkpoints and in that of Hugging Face.
package config
