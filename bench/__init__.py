"""Scripts that measure haz beside a named tool; `bench/README.md` says what each is for."""
