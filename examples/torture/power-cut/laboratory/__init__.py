"""A power-cut and fault laboratory for any Linux x86_64 program that writes files."""
