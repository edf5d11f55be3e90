package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"expertfs/infer/harmony"

	"github.com/dustin/go-humanize"
)

// chatVariable names the folder of saved chats in the environment; none: chats are
// not saved.
const chatVariable = "GPTOSS_CHAT_DIR"

// lastChat is the name under which each answer saves its conversation.
const lastChat = "last"

// savedChat is the file of a conversation. What was computed of it is not in there:
// the prefix store has that.
type savedChat struct {
	Version  int            `json:"version"`
	System   string         `json:"system,omitempty"`
	Effort   harmony.Effort `json:"effort"`
	Messages []savedMessage `json:"messages"`
}

type savedMessage struct {
	Role        harmony.Role `json:"role"`
	Name        string       `json:"name,omitempty"`
	Recipient   string       `json:"recipient,omitempty"`
	Channel     string       `json:"channel,omitempty"`
	ContentType string       `json:"content_type,omitempty"`
	Content     string       `json:"content"`
}

const savedVersion = 1

// errNoChats says that there is no folder for chats.
var errNoChats = errors.New("chats are not saved: $" + chatVariable + " names a folder for them")

// chatFolder is where chats are saved.
func chatFolder() (string, error) {
	switch dir := os.Getenv(chatVariable); dir {
	case "none":
		return "", errNoChats
	case "":
	default:
		return dir, nil
	}
	if data := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "gptoss", "chats"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errNoChats
	}
	return filepath.Join(home, ".local", "share", "gptoss", "chats"), nil
}

var chatName = regexp.MustCompile(`^[\pL\pN_][\pL\pN_.-]{0,63}$`)

// chatPath is the file of the chat of a name.
func chatPath(name string) (string, error) {
	if !chatName.MatchString(name) {
		return "", fmt.Errorf("%q is no name for a chat: use letters, digits, points, dashes and underscores, the first a letter or digit, 64 at most", name)
	}
	dir, err := chatFolder()
	return filepath.Join(dir, name+".json"), err
}

// save writes the conversation under a name. The file is the user's alone, and is
// there whole or not at all.
func (c *chat) save(name string) error {
	path, err := chatPath(name)
	if err != nil {
		return err
	}
	s := savedChat{Version: savedVersion, System: c.system, Effort: c.effort}
	for _, m := range c.history {
		s.Messages = append(s.Messages, savedMessage{m.Role, m.Name, m.Recipient, m.Channel, m.ContentType, m.Content})
	}
	text, err := json.MarshalIndent(&s, "", " ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".saving-*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// load puts a saved conversation, with its instructions and effort, in place of the
// present one.
func (c *chat) load(name string) error {
	path, err := chatPath(name)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		there := ""
		if names, _ := savedChats(); len(names) > 0 {
			there = "; there are " + strings.Join(names, ", ")
		}
		if name == lastChat {
			return fmt.Errorf("no conversation has been answered that could go on%s", there)
		}
		return fmt.Errorf("there is no saved chat %s%s", name, there)
	}
	if err != nil {
		return err
	}
	var s savedChat
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s is no saved chat: %w: remove it", path, err)
	}
	effort, err := harmony.ParseEffort(string(s.Effort))
	if err != nil || s.Version != savedVersion {
		return fmt.Errorf("%s was saved by another version of gptoss", path)
	}
	c.system, c.effort, c.history = s.System, effort, nil
	for _, m := range s.Messages {
		c.history = append(c.history, harmony.Message{
			Header:  harmony.Header{Role: m.Role, Name: m.Name, Recipient: m.Recipient, Channel: m.Channel, ContentType: m.ContentType},
			Content: m.Content,
		})
	}
	return nil
}

// savedChats returns the names of the chats that there are.
func savedChats() ([]string, error) {
	dir, err := chatFolder()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && chatName.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// listSaved shows the chats that there are, those used last first.
func (c *chat) listSaved() error {
	names, err := savedChats()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		c.note("no chat is saved; /save NAME saves this one")
		return nil
	}
	used := make(map[string]time.Time)
	for _, name := range names {
		path, _ := chatPath(name)
		if info, err := os.Stat(path); err == nil {
			used[name] = info.ModTime()
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(used[b].Compare(used[a]), cmp.Compare(a, b)) })
	for _, name := range names {
		what := ""
		if name == lastChat {
			what = ", the one that was answered last"
		}
		if _, err := fmt.Fprintf(c.out, "%-20s %s%s\n", name, humanize.Time(used[name]), what); err != nil {
			return err
		}
	}
	c.note("/load NAME goes on with one")
	return nil
}

// remember saves the conversation for --continue, if it can.
func (c *chat) remember() {
	if err := c.save(lastChat); err != nil && !errors.Is(err, errNoChats) && !c.warned {
		c.warned = true
		c.note("the conversation cannot be saved for --continue: %v", err)
	}
}
