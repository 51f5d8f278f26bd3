"""What a cluster is: frozen structs, their verbs, and what makes a spec valid.  Every other package speaks in these."""
