package monitoring

import "hybrid/internal/settings"

// Settings are hybrid:monitoring.
type Settings struct {
	// Enabled says that the exporter runs.
	Enabled bool `json:"enabled"`
	// Image has the program /hybrid. It has no default, for none is published: make
	// image builds it.
	Image string `json:"image"`
}

// DefaultSettings are what hybrid:monitoring leaves out.
func DefaultSettings() Settings { return Settings{} }

// exampleImage is what an image may look like.
const exampleImage = "registry.example.org/hybrid:1.0"

// Problems says what is wrong with the settings, one line for each.
func (s Settings) Problems() []string {
	if !s.Enabled {
		return nil
	}
	if s.Image == "" {
		return []string{"image is missing: expected one that the nodes can pull, such as " + exampleImage + "; make image builds it, see docs/view.md"}
	}
	if problem := settings.Image(s.Image, exampleImage); problem != "" {
		return []string{problem}
	}
	return nil
}
