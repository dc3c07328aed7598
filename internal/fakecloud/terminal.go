package fakecloud

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
)

// BigOutput is how much the fake shell's command big prints, in bytes.
const BigOutput = 10 << 20

// log is followed: two lines, and then no more until who reads has gone.
func (c *Cloud) log(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "the first line of the log")
	fmt.Fprintln(w, "the second line of the log")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// terminal is a shell with few commands: size prints that of the terminal, big prints
// much, exit ends it. Others are repeated. It goes on in a cluster that is cut off, as a
// real one does, and is not heard.
func (c *Cloud) terminal(w http.ResponseWriter, r *http.Request, x *Cluster) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	path := strings.Split(r.URL.Path, "/")
	pod := path[len(path)-2]
	say := func(text string) bool {
		c.Lock()
		silent := x.Silent
		c.Unlock()
		return silent || conn.WriteMessage(websocket.BinaryMessage, append([]byte{1}, text...)) == nil
	}
	say(pod + "$ ")
	var line bytes.Buffer
	var size struct{ Width, Height int }
	sizes := 0
	for {
		_, message, err := conn.ReadMessage()
		if err != nil || len(message) == 0 {
			return
		}
		if message[0] == 4 { // https://github.com/kubernetes/kubernetes/blob/v1.35.4/staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go
			_ = json.Unmarshal(message[1:], &size) // the client makes it
			continue
		}
		if message[0] != 0 {
			continue
		}
		for _, letter := range message[1:] {
			if letter != '\r' {
				line.WriteByte(letter)
				say(string(letter))
				continue
			}
			command := line.String()
			line.Reset()
			say("\r\n")
			switch command {
			case "exit":
				_ = conn.WriteMessage(websocket.BinaryMessage, append([]byte{3}, `{"metadata":{},"status":"Success"}`...))
				_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
				return
			case "size":
				// Numbered: a new size and what is typed are on ways of their own.
				sizes++
				say(fmt.Sprintf("%d: %d×%d\r\n", sizes, size.Width, size.Height))
			case "big":
				part := strings.Repeat("all work and no play makes Jack a dull boy\r\n", 500)
				for sent := 0; sent < BigOutput; sent += len(part) {
					if !say(part) {
						return
					}
				}
				say("that was much\r\n")
			default:
				say("no " + command + "\r\n")
			}
			say(pod + "$ ")
		}
	}
}
