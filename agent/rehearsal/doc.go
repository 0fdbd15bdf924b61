// Package rehearsal is a CodeDeploy service in miniature, for one process and one machine. It speaks the command
// protocol, the part of S3 a download needs and the instance metadata service, all on the loopback interface, signs
// deployment specifications with an authority of its own, and plays whole deployments (in place, blue/green, rollback)
// against agents that are ordinary, separate processes. Faults can be ordered for every operation, so that what the
// network and the service do on a bad day can be had on any day.
//
// What the service's half of a deployment does is taken from the AWS user guide; what is not documented (the form of
// execution ids, when a command is delivered again, what an acknowledgement of a no-op is answered) is chosen so that an
// agent written for the real service cannot tell the difference, and said where it is chosen.
package rehearsal
