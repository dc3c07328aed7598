package federation

import "hybrid/federation/crds"

// crd is the definition of one of Karmada's kinds.
type crd = crds.CRD

// definitions are all of them; tests have fewer.
var definitions = crds.All
