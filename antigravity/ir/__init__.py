"""The intermediate representation: what every protocol is decoded to and encoded from."""
