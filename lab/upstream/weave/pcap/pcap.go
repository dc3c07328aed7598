// Package pcap is as much of gopacket's package of that name as Weave's router
// uses, on a packet socket (see packet(7)) instead of libpcap. Thus Weave needs
// neither a C compiler nor C libraries, as little as the lab's other programs.
package pcap

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// NextErrorTimeoutExpired is there to be compared with. Reads have no timeout here.
var NextErrorTimeoutExpired = errors.New("timeout expired")

// Direction says which frames of an interface are captured.
type Direction int

// DirectionIn is the only one: frames that arrive.
const DirectionIn Direction = 1

// InactiveHandle collects the settings of a capture.
type InactiveHandle struct {
	device  string
	promisc bool
	snaplen int
	buffer  int
}

// NewInactiveHandle prepares to capture from a network interface.
func NewInactiveHandle(device string) (*InactiveHandle, error) {
	return &InactiveHandle{device: device}, nil
}

// SetPromisc asks for the frames that are for other stations too.
func (h *InactiveHandle) SetPromisc(promisc bool) error {
	h.promisc = promisc
	return nil
}

// SetSnapLen limits a frame, in bytes; what is longer is cut. With 0, frames can
// be written but not read.
func (h *InactiveHandle) SetSnapLen(bytes int) error {
	h.snaplen = bytes
	return nil
}

// SetBufferSize is how many bytes of frames wait for their reader before frames
// are dropped; 0 stands for the system's default.
func (h *InactiveHandle) SetBufferSize(bytes int) error {
	h.buffer = bytes
	return nil
}

// SetTimeout changes nothing: reads wait for the next frame.
func (h *InactiveHandle) SetTimeout(time.Duration) error { return nil }

// SetImmediateMode asks for what is done anyway: a frame can be read when it is there.
func (h *InactiveHandle) SetImmediateMode(bool) error { return nil }

// CleanUp is for what Activate did not take over: nothing.
func (h *InactiveHandle) CleanUp() {}

// Activate begins to capture. It needs the capability CAP_NET_RAW.
func (h *InactiveHandle) Activate() (*Handle, error) {
	iface, err := net.InterfaceByName(h.device)
	if err != nil {
		return nil, fmt.Errorf("capturing from %s: %w", h.device, err)
	}
	// Without a protocol, the socket gets nothing until it is bound to one interface.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("capturing from %s: packet socket: %w", h.device, err)
	}
	if err := h.activate(fd, iface.Index); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("capturing from %s: %w", h.device, err)
	}
	return &Handle{fd: fd, frame: make([]byte, h.snaplen)}, nil
}

func (h *InactiveHandle) activate(fd, index int) error {
	// The other direction is what this program itself writes.
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return fmt.Errorf("option PACKET_IGNORE_OUTGOING, of Linux 4.20 or newer: %w", err)
	}
	if h.buffer > 0 {
		// The first goes past the system's limit, and not everyone may do that.
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, h.buffer) != nil {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, h.buffer); err != nil {
				return fmt.Errorf("buffer of %d bytes: %w", h.buffer, err)
			}
		}
	}
	if h.promisc {
		member := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &member); err != nil {
			return fmt.Errorf("promiscuous mode: %w", err)
		}
	}
	address := unix.SockaddrLinklayer{Ifindex: index}
	if h.snaplen > 0 {
		const all = unix.ETH_P_ALL
		address.Protocol = all<<8 | all>>8 // in network byte order
	}
	if err := unix.Bind(fd, &address); err != nil {
		return fmt.Errorf("binding: %w", err)
	}
	return nil
}

// Handle is a capture that runs. Reading and writing are each for one goroutine
// at a time.
type Handle struct {
	fd    int
	frame []byte // the one that was read last

	mutex sync.Mutex // guards stats
	stats Stats
}

// SetDirection accepts DirectionIn, which is how captures begin.
func (h *Handle) SetDirection(d Direction) error {
	if d != DirectionIn {
		return fmt.Errorf("direction %d: want %d, inbound: no other is implemented", d, DirectionIn)
	}
	return nil
}

// SetBPFFilter accepts "inbound", which is how captures begin.
func (h *Handle) SetBPFFilter(expression string) error {
	if expression != "inbound" {
		return fmt.Errorf("filter %q: want \"inbound\": no other is implemented", expression)
	}
	return nil
}

// ZeroCopyReadPacketData waits for the next frame. The frame is valid until the
// next call; length is what it had before it was cut to the snapshot length.
func (h *Handle) ZeroCopyReadPacketData() (frame []byte, length int, err error) {
	for {
		length, _, err = unix.Recvfrom(h.fd, h.frame, unix.MSG_TRUNC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("reading a frame: %w", err)
		}
		return h.frame[:min(length, len(h.frame))], length, nil
	}
}

// WritePacketData sends a frame, Ethernet header and all.
func (h *Handle) WritePacketData(frame []byte) error {
	for {
		_, err := unix.Write(h.fd, frame)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("writing a frame of %d bytes: %w", len(frame), err)
		}
		return nil
	}
}

// Stats counts frames since the capture began.
type Stats struct {
	PacketsReceived  int // the dropped ones too
	PacketsDropped   int // there was no room in the buffer
	PacketsIfDropped int // always 0: the kernel doesn't tell
}

// Stats returns what the kernel has counted.
func (h *Handle) Stats() (*Stats, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	since, err := unix.GetsockoptTpacketStats(h.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS) // reading resets it
	if err != nil {
		return nil, fmt.Errorf("counters of a capture: %w", err)
	}
	h.stats.PacketsReceived += int(since.Packets)
	h.stats.PacketsDropped += int(since.Drops)
	sum := h.stats
	return &sum, nil
}

// Close ends the capture.
func (h *Handle) Close() { unix.Close(h.fd) }
