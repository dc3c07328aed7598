package pcap

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const inside = "PCAP_TEST_NAMESPACE"

// TestMain runs the tests in a network namespace of their own: no other program sends
// anything there, and users may capture there who may not elsewhere.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
	}
	if err := cmd.Run(); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

// up sets the namespace's loopback interface up: there, what is sent arrives.
func up(t *testing.T) {
	t.Helper()
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	var request struct { // struct ifreq
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], "lo")
	request.flags = unix.IFF_UP
	if _, _, err := unix.Syscall(unix.SYS_IOCTL, uintptr(s), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); err != 0 {
		t.Fatal(err)
	}
}

func open(t *testing.T, promisc bool, snaplen, buffer int) *Handle {
	t.Helper()
	inactive, err := NewInactiveHandle("lo")
	if err != nil {
		t.Fatal(err)
	}
	defer inactive.CleanUp()
	for _, err := range []error{
		inactive.SetPromisc(promisc), inactive.SetSnapLen(snaplen), inactive.SetBufferSize(buffer),
		inactive.SetImmediateMode(true), inactive.SetTimeout(0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	h, err := inactive.Activate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	// A test that waits for a frame in vain shall end.
	if err := unix.SetsockoptTimeval(h.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}); err != nil {
		t.Fatal(err)
	}
	return h
}

// frame is for another station, of a protocol for experiments (IEEE 802).
func frame(payload string) []byte {
	f := append(net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}...)
	return append(binary.BigEndian.AppendUint16(f, 0x88b5), payload...)
}

func TestWhatIsWrittenArrivesOnce(t *testing.T) {
	up(t)
	reader, writer := open(t, true, 65535, 1<<20), open(t, false, 0, 0)
	if err := reader.SetDirection(DirectionIn); err != nil {
		t.Fatal(err)
	}
	if err := reader.SetBPFFilter("inbound"); err != nil {
		t.Fatal(err)
	}
	long := frame(strings.Repeat("x", 9000))
	for _, want := range [][]byte{frame("one"), long, frame("two")} {
		if err := writer.WritePacketData(want); err != nil {
			t.Fatal(err)
		}
		got, length, err := reader.ZeroCopyReadPacketData()
		if err != nil || !bytes.Equal(got, want) || length != len(want) {
			t.Errorf("got %d bytes of %d, %v; want the %d that were sent", len(got), length, err, len(want))
		}
	}
	for range 2 { // reading them doesn't reset them
		if s, err := reader.Stats(); err != nil || *s != (Stats{PacketsReceived: 3}) {
			t.Errorf("got %+v, %v; want 3 frames: the interface has sent and received each, but only one direction counts", s, err)
		}
	}
}

func TestLongFramesAreCut(t *testing.T) {
	up(t)
	reader, writer := open(t, false, 20, 0), open(t, false, 0, 0)
	want := frame("0123456789")
	if err := writer.WritePacketData(want); err != nil {
		t.Fatal(err)
	}
	got, length, err := reader.ZeroCopyReadPacketData()
	if err != nil || !bytes.Equal(got, want[:20]) || length != len(want) {
		t.Errorf("got %q, %d, %v; want the first 20 bytes of %d", got, length, err, len(want))
	}
}

func TestDroppedFramesAreCounted(t *testing.T) {
	up(t)
	reader, writer := open(t, false, 65535, 1), open(t, false, 0, 0) // the kernel rounds up
	const sent = 1000
	for range sent {
		if err := writer.WritePacketData(frame(strings.Repeat("x", 1000))); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := reader.Stats(); err != nil || s.PacketsReceived != sent || s.PacketsDropped == 0 || s.PacketsDropped == sent {
		t.Errorf("got %+v, %v; want %d frames, some dropped", s, err, sent)
	}
}

func TestAWriterReceivesNothing(t *testing.T) {
	up(t)
	writer := open(t, false, 0, 0)
	if err := writer.WritePacketData(frame("one")); err != nil {
		t.Fatal(err)
	}
	if s, err := writer.Stats(); err != nil || *s != (Stats{}) {
		t.Errorf("got %+v, %v; want no frames: they would never be read", s, err)
	}
}

func TestWhatIsNotImplementedIsRefused(t *testing.T) {
	h := open(t, false, 65535, 0)
	if err := h.SetBPFFilter("tcp"); err == nil {
		t.Error("filter tcp: got no error")
	}
	if err := h.SetDirection(2); err == nil {
		t.Error("direction 2: got no error")
	}
	inactive, err := NewInactiveHandle("none")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inactive.Activate(); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("no such interface: got %v, want an error that names it", err)
	}
}
