package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// reader turns generated tokens into the text of the answer. Only chats have
// reasoning. An error ends the answer where it is.
type reader interface {
	push(id int) (content, reasoning string, err error)
	finish() (content, reasoning string)
}

// job is a checked request, ready to be computed.
type job struct {
	*common
	prompt []int
	max    int // tokens to generate
	reader reader
	reply  *reply
}

func (s *Server) newReply(w http.ResponseWriter, q *common, chat bool) *reply {
	r := &reply{w: w, chat: chat, stream: q.Stream}
	r.counting = q.StreamOptions != nil && q.StreamOptions.IncludeUsage
	prefix, object := "cmpl-", "text_completion"
	if chat {
		prefix, object = "chatcmpl-", "chat.completion"
		if q.Stream {
			object += ".chunk"
		}
	}
	r.head = completion{
		ID:     fmt.Sprintf("%s%016x", prefix, rand.Uint64()),
		Object: object, Created: time.Now().Unix(), Model: s.Model,
	}
	return r
}

// checkLength refuses a prompt that leaves no room for an answer.
func (s *Server) checkLength(param string, prompt []int) error {
	switch {
	case len(prompt) == 0:
		return badRequest(param, "%s is empty", param)
	case len(prompt) >= s.Engine.Context():
		return badRequest(param, "%s has %d tokens, and the context of this server is %d", param, len(prompt), s.Engine.Context()).
			withCode("context_length_exceeded")
	}
	return nil
}

// answer computes j and writes the reply.
func (s *Server) answer(ctx context.Context, j *job) {
	generated, finish, err := s.compute(ctx, j)
	if err != nil {
		j.reply.fail(err)
		return
	}
	u := usage{len(j.prompt), generated, len(j.prompt) + generated}
	if err := j.reply.end(string(finish), u); err != nil {
		s.Log.Debug("client gone", "err", err)
	}
}

// compute waits for j's turn and generates its answer, so many tokens. The turn
// is over when compute returns: nobody waits for a client that reads slowly,
// unless the answer is a stream.
func (s *Server) compute(ctx context.Context, j *job) (generated int, end finish, err error) {
	if err := s.queue.enter(ctx); err != nil {
		return 0, "", err
	}
	defer s.queue.leave()
	began := time.Now()
	generated, end, err = s.generate(ctx, j)
	switch {
	case ctx.Err() != nil:
		s.Log.Info("request cancelled", "prompt", len(j.prompt), "generated", generated)
		err = errCancelled
	case err != nil:
		s.Log.Error("request failed", "err", err)
	default:
		s.Log.Info("request done", "prompt", len(j.prompt), "generated", generated, "finish", end, "time", time.Since(began))
	}
	return generated, end, err
}

// generate computes j and adds the text to its reply.
func (s *Server) generate(ctx context.Context, j *job) (int, finish, error) {
	stop := stopper{stops: j.Stop}
	stopped := false
	emit := func(id int) bool {
		content, reasoning, bad := j.reader.push(id)
		if bad != nil {
			s.Log.Warn("the model left the chat format", "err", bad)
		}
		content, stopped = stop.push(content)
		gone := j.reply.add(content, reasoning)
		return bad == nil && gone == nil && !stopped
	}
	n, finish, err := s.continueText(ctx, j, emit)
	if err != nil || stopped {
		return n, finish, err
	}
	content, reasoning := j.reader.finish()
	content, stopped = stop.push(content)
	if stopped {
		finish = finishStop
	} else {
		content += stop.flush()
	}
	// A client that has gone is noticed at the end of the reply.
	_ = j.reply.add(content, reasoning)
	return n, finish, nil
}
