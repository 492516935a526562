"""The version of this tool; decisions, manifests and events name it."""

VERSION = "0.1.0"
