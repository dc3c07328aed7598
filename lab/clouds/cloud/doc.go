// Package cloud is what the simulated clouds share: a file of objects, the
// resource types' lifecycle over it, addresses, and the policies that the
// networks' routers enforce.
//
// What has a container (networks and machines) is as Docker says; the file
// holds the rest. A network or machine is written to the file before it is
// made and removed after it is gone, so that a process killed in between
// leaves something that the next deployment finds.
//
// # Interrupted deployments
//
// Every object carries the URN of the resource that it was created for. When
// the engine dies between a Create and the record of its ID, the object is
// there and the stack doesn't know it. The engine will create the same URN
// again; Create then first deletes what the URN has made and the engine has
// never shown to know. It waits until the plugin of the engine that died, which goes on
// for some seconds, is done with that URN. The engine shows that by asking to diff, read, update
// or delete an ID, or by creating something that refers to it. An orphan in
// the way of a Delete is deleted likewise. What is left when nothing is
// created and nothing of it is deleted, such as a lone address after an
// interrupted `up` and a `destroy`, goes with the lab itself.
//
// The engine doesn't show that it knows an ID when it is told to replace the resource
// whatever its state, with `pulumi up --replace` or after `pulumi state taint`. What the
// deployment just before has created, and nothing refers to, is deleted as an orphan
// then: before its replacement is created, not after.
//
// Real clouds do none of this: there an interrupted create leaves an orphan
// that costs money until it is deleted by hand, and `pulumi refresh`
// asks for its ID to import it.
package cloud
