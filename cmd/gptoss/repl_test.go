package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openPTY returns both ends of a new pseudo-terminal of 80 columns.
func openPTY(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { user.Close() })
	fd := int(user.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { program.Close() })
	return user, program
}

// talk is a chat in a process of its own, at a terminal.
type talk struct {
	t     *testing.T
	user  *os.File
	chats string // folder of saved chats
	cmd   *exec.Cmd
	ended chan error

	mu     sync.Mutex
	screen strings.Builder // all that was put out
	seen   int             // bytes of it that were expected
}

// startTalk starts gptoss chat.
func startTalk(t *testing.T, env []string, args ...string) *talk {
	t.Helper()
	user, program := openPTY(t)
	self, err := os.Executable()
	require.NoError(t, err)
	k := &talk{t: t, user: user, chats: t.TempDir(), ended: make(chan error, 1)}
	k.cmd = exec.Command(self, append([]string{"chat", "--temp", "0"}, args...)...)
	k.cmd.Env = append(os.Environ(), asProgram+"=1", "TERM=xterm", "NO_COLOR=", "INPUTRC=/dev/null", chatVariable+"="+k.chats)
	k.cmd.Env = append(k.cmd.Env, env...)
	k.cmd.Stdin, k.cmd.Stdout, k.cmd.Stderr = program, program, program
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, k.cmd.Start())
	go func() { k.ended <- k.cmd.Wait() }()
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := user.Read(b)
			k.mu.Lock()
			k.screen.Write(b[:n])
			k.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = k.cmd.Process.Kill() })
	return k
}

// expect waits for something that matches, after what was expected before, and
// returns it.
func (k *talk) expect(pattern string) string {
	k.t.Helper()
	re, found := regexp.MustCompile(pattern), ""
	defer func() {
		if k.t.Failed() {
			k.t.Logf("on the screen: %q", k.screen.String())
		}
	}()
	require.Eventually(k.t, func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		rest := k.screen.String()[k.seen:]
		at := re.FindStringIndex(rest)
		if at == nil {
			return false
		}
		found = rest[at[0]:at[1]]
		k.seen += at[1]
		return true
	}, 5*time.Minute, time.Millisecond, pattern)
	return found
}

// say types a message key by key, and waits until its answer was cut off.
func (k *talk) say(keys ...string) {
	k.t.Helper()
	for _, key := range keys {
		k.press(key)
		k.expect(`\[\?25h`) // it was taken
	}
	k.press("\r")
	k.expect(`cut off`)
	k.expect(promptShown)
}

const promptShown = `>>> .*\[\?25h` // and the cursor after it

func (k *talk) press(keys string) {
	k.t.Helper()
	_, err := io.WriteString(k.user, keys)
	require.NoError(k.t, err)
}

// ends waits for the end of the program.
func (k *talk) ends() {
	k.t.Helper()
	select {
	case err := <-k.ended:
		require.NoError(k.t, err)
	case <-time.After(time.Minute):
		k.t.Fatalf("the chat goes on; on the screen: %q", k.screen.String())
	}
}

// asked returns the user's messages of the conversation.
func (k *talk) asked() (messages []string) {
	k.t.Helper()
	text, err := os.ReadFile(filepath.Join(k.chats, lastChat+".json"))
	require.NoError(k.t, err)
	var s savedChat
	require.NoError(k.t, json.Unmarshal(text, &s))
	for _, m := range s.Messages {
		if m.Role == "user" {
			messages = append(messages, m.Content)
		}
	}
	return messages
}

// What is pasted is one message, with its lines and tabs; wide characters, emoji of
// several parts and accents that combine come through, in the middle of a line too.
func TestChatTyping(t *testing.T) {
	k := startTalk(t, nil, "--model", tinyTree(t), "-n", "3")
	k.expect(`gptoss .*context of \d+ tokens(?s:.*)kernels \w+(?s:.*)Ctrl-C stops an answer`)
	k.expect(promptShown)
	k.say("\x1b[200~\tfor {\n\t\tx++\n\n\t}\n/bye\n世界\x1b[201~", " end")
	k.say("世界", "e\u0301", "👩‍👩‍👧", "é", "\x02", "\x02", "\x02", "\x02", "\x02", "\x02", "\x02", "\x02", "Z", "界", "y")
	k.say("a\tb", "\x1b\r", "c")
	k.say("/not a command\x1b[D\x1b[D", "\x1b\r")

	k.press("世界")
	k.expect(`世界.*\[\?25h`)
	k.mu.Lock()
	columns := regexp.MustCompile(`\x1b\[(\d+)C\x1b\[\?25h`).FindAllStringSubmatch(k.screen.String(), -1)
	k.mu.Unlock()
	require.Equal(t, "8", columns[len(columns)-1][1], "four columns of prompt, and two for each")
	k.press("\x7f")
	k.expect(`\[\?25h`)
	k.press("\x7f")
	k.expect(`\[\?25h`)
	k.press("/help\r")
	k.expect(`/reasoning +show`)
	k.expect(promptShown)
	k.press("/bye\r")
	k.ends()
	require.Equal(t, []string{
		"\tfor {\n\t\tx++\n\n\t}\n/bye\n世界 end",
		"世界Z界ye\u0301👩‍👩‍👧é",
		"a\tb\nc",
		"/not a comma\nnd",
	}, k.asked())
}

// Keys that are pressed while the model answers, and what is pasted then, are not shown
// in the answer: they are there at the next prompt.
func TestChatKeepsKeysForThePrompt(t *testing.T) {
	k := startTalk(t, []string{"EXPERTFS_KERNEL=generic"}, "--model", tinyTree(t), "-t", "1", "-n", "40")
	k.press("typed while it loads ")
	k.expect(`>>> `) // and no further: what follows may be there already
	k.expect(`typed while it loads .*\[\?25h`)
	k.press("\r")
	k.expect(`\r\n`)
	k.press("\x1b[200~pasted\nlater\x1b[201~")
	require.NotContains(t, k.expect(`(?s).*?>>> `), "pasted")
	k.expect(`(?s)pasted.*later.*\[\?25h`)
	k.press("\r")
	k.expect(promptShown)
	k.press("\x04")
	k.ends()
	require.Equal(t, []string{"typed while it loads", "pasted\nlater"}, k.asked())
}

// A message of several lines is one entry of the history, in whose lines the arrows
// move; sequences of terminals in what is pasted are dropped.
func TestChatSeveralLines(t *testing.T) {
	k := startTalk(t, nil, "--model", tinyTree(t), "-n", "2")
	k.expect(promptShown)
	k.say(`"""one`, "\r", "two", "\r", `three"""`)
	k.say("\x1b[A", "\x1b[A", "\x1b[A", "\x01", "\x1b[C", "\x1b[C", "\x1b[C", "X")
	k.say("\x1b[200~\x1b[31mred\x1b[0m\a and\x1b]0;title\x07 plain\x1b[201~")
	k.press("\x04")
	k.ends()
	require.Equal(t, []string{"one\ntwo\nthree", "Xone\ntwo\nthree", "red and plain"}, k.asked())
}

// Ctrl-C stops an answer and the chat goes on; it takes back what is typed; twice at
// an empty prompt it ends the chat. Ctrl-D ends it too.
func TestChatCtrlC(t *testing.T) {
	dir := tinyTree(t)
	k := startTalk(t, []string{"EXPERTFS_KERNEL=generic"}, "--model", dir, "-t", "1")
	for stopped := false; !stopped; { // the model may be faster than the key
		k.expect(promptShown)
		k.press("Tell me of the white whale\r")
		k.expect(`\n.*they`)
		k.press("\x03")
		stopped = strings.Contains(k.expect(`\(stopped\)|once more ends`), "stopped")
		k.press("/clear\r")
	}
	k.expect(promptShown)
	k.press("half a li")
	k.expect(`half a li.*\[\?25h`)
	k.press("\x03")
	k.expect(promptShown)
	k.press("\x03")
	k.expect(`once more ends the chat`)
	k.expect(promptShown)
	k.press("/show\r")
	k.expect(`messages +0`)
	k.expect(promptShown)
	k.press("\x03")
	k.expect(`once more ends the chat`)
	k.expect(promptShown)
	k.press("\x03")
	k.ends()

	k = startTalk(t, nil, "--model", dir)
	k.expect(promptShown)
	k.press("\x04")
	k.ends()
}

// A signal that ends the chat leaves the terminal as it was.
func TestChatIsTerminated(t *testing.T) {
	for sig, ended := range map[syscall.Signal]string{unix.SIGTERM: "signal: terminated", unix.SIGQUIT: "exit status 2"} { // with the goroutines, as Go does
		k := startTalk(t, nil, "--model", tinyTree(t))
		k.expect(promptShown)
		mode := func() *unix.Termios {
			m, err := unix.IoctlGetTermios(int(k.user.Fd()), unix.TCGETS)
			require.NoError(t, err)
			return m
		}
		require.Zero(t, mode().Lflag&unix.ECHO)
		require.NoError(t, k.cmd.Process.Signal(sig))
		require.EqualError(t, <-k.ended, ended)
		require.NotZero(t, mode().Lflag&unix.ECHO)
		k.expect(`\[\?2004l`)
	}
}

// What was typed in one chat is there in the next, and is the user's alone.
func TestChatHistoryIsKept(t *testing.T) {
	dir, path := tinyTree(t), filepath.Join(t.TempDir(), "state", "history")
	env := []string{historyVariable + "=" + path}
	k := startTalk(t, env, "--model", dir, "-n", "1")
	k.expect(promptShown)
	k.press("\x1b[200~Call me\nIshmael.\x1b[201~\r")
	k.expect(`cut off`)
	k.expect(promptShown)
	k.press("\x04")
	k.ends()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	k = startTalk(t, env, "--model", dir, "-n", "1")
	k.expect(promptShown)
	k.press("\x1b[A")
	k.expect(`Ishmael.*\[\?25h`)
	k.press(" Who?\r")
	k.expect(`cut off`)
	k.expect(promptShown)
	k.press("\x04")
	k.ends()
	require.Equal(t, []string{"Call me\nIshmael. Who?"}, k.asked())
}

// Without --model the chat takes the one mount, and tells of it.
func TestChatFindsTheMount(t *testing.T) {
	dir := mountTiny(t, buildExpertfs(t), "--ram", "64MiB")
	mounts, err := expertfs.Mounts()
	require.NoError(t, err)
	require.Contains(t, mounts, dir)

	k := startTalk(t, []string{mountsVariable + "=" + dir})
	k.expect(`mount\s+` + dir + `:\s+64\s+MiB\s+of\s+RAM\s+for\s+[\d.]+\s+MiB\s+of\s+experts,\s+\d+\s+of\s+128\s+in\s+it;\s+policy\s+\w+`)
	k.expect(`experts by `)
	k.expect(promptShown)
	k.press("\x04")
	k.ends()
}

// TestOnlyMount: every command that needs a model finds the one that is mounted.
func TestOnlyMount(t *testing.T) {
	t.Setenv(mountsVariable, "/mnt/a:/mnt/b")
	ids := filepath.Join(t.TempDir(), "ids")
	require.NoError(t, os.WriteFile(ids, []byte("1 2 3"), 0o600))
	for _, args := range [][]string{{"chat"}, {"run", "-p", "a"}, {"serve"}, {"score", "--ids", ids}, {"bench"}} {
		_, _, err := runCommand(t, "Hello", args...)
		require.ErrorContains(t, err, "there are 2 mounts: use --model with one of them:\n  /mnt/a\n  /mnt/b", args)
		require.Equal(t, exitUsage, exitCode(err))
	}
	t.Setenv(mountsVariable, tinyTree(t))
	out, _, err := runCommand(t, "Tell me of the white whale", "chat", "--temp", "0", "-n", "20")
	require.NoError(t, err)
	require.NotEmpty(t, out)
	for _, args := range [][]string{{"run", "-p", "a", "-n", "1"}, {"score", "--ids", ids}, {"bench", "-p", "1", "-n", "0", "-r", "1"}} {
		out, _, err := runCommand(t, "", args...)
		require.NoError(t, err, args)
		require.NotEmpty(t, out, args)
	}
}
