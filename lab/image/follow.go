package image

import (
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
)

// message is what Docker streams while it builds, pulls or imports.
type message struct {
	Stream, Status, ID, Error string
}

// colors are those of a terminal that the program in a container thinks it has.
var colors = regexp.MustCompile("\x1b\\[[0-9;]*m")

// follow hands on a stream's lines until it ends, and returns the error that the
// stream reports: the request itself has long succeeded by then.
func follow(stream io.Reader, progress func(string)) error {
	messages := json.NewDecoder(stream)
	for {
		var m message
		if err := messages.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
		text := m.Stream
		if m.Status != "" {
			text = strings.TrimSpace(m.ID + " " + m.Status)
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(colors.ReplaceAllString(line, "")); line != "" {
				progress(line)
			}
		}
	}
}
