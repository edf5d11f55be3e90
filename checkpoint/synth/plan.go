package synth

import (
	"encoding/json"

	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/safetensors"
)

// tensor is one tensor to write.
type tensor struct {
	layout.Tensor
	offset int64 // in its shard
	length int64
}

// shard is one file to write.
type shard struct {
	name    string
	header  []byte
	tensors []tensor
	size    int64 // header included
}

// headerAlign is the alignment of the data that the safetensors library uses.
const headerAlign = 8

// plan lays the checkpoint out in files.
func plan(o *Options) ([]shard, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	if o.Layout == nil {
		o.Layout = layout.OpenAI
	}
	shards := []shard{{}}
	var bytes int64
	for _, t := range o.Layout.Tensors(o.Config) {
		length, err := safetensors.ByteLen(t.DType, t.Shape)
		if err != nil {
			return nil, err
		}
		if o.ShardBytes > 0 && bytes > 0 && bytes+length > o.ShardBytes {
			shards, bytes = append(shards, shard{}), 0
		}
		last := &shards[len(shards)-1]
		last.tensors = append(last.tensors, tensor{Tensor: t, length: length})
		bytes += length
	}
	for i := range shards {
		if err := shards[i].finish(o, i, len(shards)); err != nil {
			return nil, err
		}
	}
	return shards, nil
}

// finish names shard i of n and makes its header.
func (s *shard) finish(o *Options, i, n int) error {
	s.name = "model.safetensors"
	if n > 1 {
		s.name = o.Layout.ShardName(i, n)
	}
	heads := make([]safetensors.Tensor, len(s.tensors))
	for j, t := range s.tensors {
		heads[j] = safetensors.Tensor{Name: t.Name, DType: t.DType, Shape: t.Shape}
	}
	var err error
	if s.header, err = safetensors.AppendHeader(nil, heads, map[string]string{"format": "pt"}, headerAlign); err != nil {
		return err
	}
	s.size = int64(len(s.header))
	for j := range s.tensors {
		s.tensors[j].offset = s.size
		s.size += s.tensors[j].length
	}
	return nil
}

// totalSize returns the bytes of all shards.
func totalSize(shards []shard) int64 {
	var n int64
	for _, s := range shards {
		n += s.size
	}
	return n
}

// indexFile returns the index of several shards.
func indexFile(shards []shard) ([]byte, error) {
	var total int64
	where := map[string]string{}
	for _, s := range shards {
		for _, t := range s.tensors {
			where[t.Name] = s.name
			total += t.length
		}
	}
	return json.MarshalIndent(map[string]any{
		"metadata":   map[string]int64{"total_size": total},
		"weight_map": where,
	}, "", "  ")
}
