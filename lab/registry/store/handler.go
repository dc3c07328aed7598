package store

import (
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// Handler serves the packages of a folder, and its images, read-only, by the part of the OCI
// distribution specification that pulling needs. containerd, whose mirror it is,
// says in the parameter ns which registry it means. Files go from the disk to the
// network without passing through memory.
func Handler(dir string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/{$}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	// Beside images: Kubernetes' packages, at the paths of pkgs.k8s.io.
	mux.Handle("GET /core:/", http.FileServer(http.Dir(Packages(dir))))
	mux.HandleFunc("GET /v2/{path...}", func(w http.ResponseWriter, r *http.Request) {
		path := r.PathValue("path")
		if repository, reference, ok := cutLast(path, "/manifests/"); ok {
			serveManifest(w, r, dir, repository, reference)
		} else if _, digest, ok := cutLast(path, "/blobs/"); ok {
			serveBlob(w, r, dir, digest, "application/octet-stream")
		} else {
			http.NotFound(w, r)
		}
	})
	return mux
}

func serveManifest(w http.ResponseWriter, r *http.Request, dir, repository, reference string) {
	if strings.Contains(reference, ":") { // a digest
		path, ok := blob(dir, reference)
		if !ok {
			notFound(w, r, "MANIFEST_UNKNOWN")
			return
		}
		text, err := os.ReadFile(path)
		var manifest descriptor
		if err != nil || json.Unmarshal(text, &manifest) != nil {
			notFound(w, r, "MANIFEST_UNKNOWN")
			return
		}
		serveBlob(w, r, dir, reference, manifest.MediaType)
		return
	}
	image, err := lookup(dir, r.URL.Query().Get("ns"), repository, reference)
	switch {
	case errors.Is(err, os.ErrNotExist):
		notFound(w, r, "MANIFEST_UNKNOWN")
	case err != nil:
		log.Print(err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		serveBlob(w, r, dir, image.Digest, image.MediaType)
	}
}

func serveBlob(w http.ResponseWriter, r *http.Request, dir, digest, mediaType string) {
	path, ok := blob(dir, digest)
	if !ok {
		notFound(w, r, "BLOB_UNKNOWN")
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		notFound(w, r, "BLOB_UNKNOWN")
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Etag", strconv.Quote(digest))
	if r.Method == http.MethodHead { // ServeFile would say it too, if the file is not empty
		w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
		return
	}
	http.ServeFile(w, r, path)
}

// notFound logs what the lab doesn't serve: the first thing to look at when a pod
// can't pull its image.
func notFound(w http.ResponseWriter, r *http.Request, code string) {
	log.Printf("not found: %s (%s)", r.URL, code)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"errors": []map[string]string{{"code": code, "message": "the lab's registry does not have it"}},
	})
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+len(separator):], true
}
