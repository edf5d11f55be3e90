package ram

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// withoutAdmin runs f without CAP_SYS_ADMIN. Capabilities are a thread's.
func withoutAdmin(t *testing.T, f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var had, lowered [2]unix.CapUserData
	require.NoError(t, unix.Capget(&header, &had[0]))
	lowered = had
	lowered[0].Effective &^= 1 << unix.CAP_SYS_ADMIN
	require.NoError(t, unix.Capset(&header, &lowered[0]))
	defer func() { require.NoError(t, unix.Capset(&header, &had[0])) }()
	f()
}

// TestWithoutPrivilegeAUserNamespaceServes has the test binary started once more.
func TestWithoutPrivilegeAUserNamespaceServes(t *testing.T) {
	withoutAdmin(t, func() {
		tier, err := Open(Options{})
		require.NoError(t, err)
		defer tier.Close()
		m, why := tier.Mechanism()
		if m == Memfd {
			t.Skip("no user namespaces here: ", why)
		}
		require.Contains(t, why, "the kernel enforces no limit")
		s, err := tier.NewSlot(3 << 20)
		require.NoError(t, err)
		s.Bytes()[1] = 1
		require.NoError(t, s.Seal())
		require.True(t, s.Idle())
		requireUsed(t, tier, s.Allocated())
		require.NoError(t, tier.SetLimit(1), "nobody enforces it")
		if m == HugeTmpfs {
			clear := make([]byte, 2<<20)
			require.Equal(t, clear[2:], s.Bytes()[2:2<<20])
			t.Logf("%d KiB by huge pages", hugeKiB(t, &s.Bytes()[0]))
		}
		r := startReader(t, s)
		require.False(t, s.Idle())
		s.Close()
		requireUsed(t, tier, 3<<20)
		r.stop()
		requireUsed(t, tier, 0)
	})
}

func TestWithoutPrivilegeMemfdsServe(t *testing.T) {
	helperReady = false
	defer func() { helperReady = true }()
	withoutAdmin(t, func() {
		tier, err := Open(Options{})
		require.NoError(t, err)
		defer tier.Close()
		m, why := tier.Mechanism()
		require.Equal(t, Memfd, m)
		require.Contains(t, why, "operation not permitted")
		s, err := tier.NewSlot(10_000)
		require.NoError(t, err)
		s.Bytes()[9_999] = 1
		require.True(t, s.Idle())
		requireUsed(t, tier, s.Allocated())
		require.ErrorIs(t, unix.Ftruncate(s.Fd(), 0), unix.EPERM, "its size is sealed")
		s.Close()
		requireUsed(t, tier, 0)
	})
}

func TestMechanismTellsWhyItIsNotTheBest(t *testing.T) {
	for _, o := range []Options{{NoHuge: true}, {Memfd: true}} {
		tier, err := Open(o)
		require.NoError(t, err)
		m, why := tier.Mechanism()
		require.NotEqual(t, HugeTmpfs, m)
		require.NotEmpty(t, why)
		require.NotEmpty(t, m.String())
		require.NoError(t, tier.Close())
	}
}
