package packages

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/blakesmith/ar"
)

// index makes a folder with packages a repository: a flat one, as
// https://wiki.debian.org/DebianRepository/Format calls it. Release is signed by a new
// key. Its private half is not kept; the public half is in Release.key.
func index(dir string, now time.Time) error {
	debs, err := filepath.Glob(filepath.Join(dir, pool, "*.deb"))
	if err != nil {
		return err
	}
	var list bytes.Buffer
	for _, path := range debs {
		if err := describe(&list, path); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	var release bytes.Buffer
	fmt.Fprintf(&release, "Origin: hybrid-lab\nArchitectures: %s\nDate: %s\nSHA256:\n %x %d Packages\n",
		pool, now.UTC().Format(time.RFC1123), sha256.Sum256(list.Bytes()), list.Len())
	files := map[string][]byte{"Packages": list.Bytes(), "Release": release.Bytes()}
	if files["InRelease"], files["Release.key"], err = sign(release.Bytes(), now); err != nil {
		return err
	}
	for name, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	return err
}

// describe writes a package's paragraph of the list.
func describe(w io.Writer, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	control, err := control(text)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\nFilename: %s\nSize: %d\nSHA256: %x\n\n",
		strings.TrimSpace(control), path.Join(pool, filepath.Base(file)), len(text), sha256.Sum256(text))
	return err
}

// control is what a package says of itself.
func control(deb []byte) (string, error) {
	for members := ar.NewReader(bytes.NewReader(deb)); ; {
		member, err := members.Next()
		if err != nil {
			return "", fmt.Errorf("control.tar.gz: %w", err)
		}
		if strings.TrimSuffix(member.Name, "/") != "control.tar.gz" {
			continue
		}
		plain, err := gzip.NewReader(members)
		if err != nil {
			return "", err
		}
		for files := tar.NewReader(plain); ; {
			file, err := files.Next()
			if err != nil {
				return "", fmt.Errorf("control: %w", err)
			}
			if slices.Contains([]string{"control", "./control"}, file.Name) {
				text, err := io.ReadAll(files)
				return string(text), err
			}
		}
	}
}

// sign returns a text with its signature, and the key that proves it.
func sign(text []byte, now time.Time) (signed, key []byte, err error) {
	// Of the algorithms that all versions of apt take this key is made fastest.
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return now }}
	entity, err := openpgp.NewEntity("The lab's packages", "", "lab@hybrid.test", config)
	if err != nil {
		return nil, nil, err
	}
	var public, message bytes.Buffer
	armored, err := armor.Encode(&public, openpgp.PublicKeyType, nil)
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(entity.Serialize(armored), armored.Close()); err != nil {
		return nil, nil, err
	}
	clear, err := clearsign.Encode(&message, entity.PrivateKey, config)
	if err != nil {
		return nil, nil, err
	}
	if _, err := clear.Write(text); err != nil {
		return nil, nil, err
	}
	if err := clear.Close(); err != nil {
		return nil, nil, err
	}
	return message.Bytes(), public.Bytes(), nil
}
