"""`python -m app.cli` is `flex`."""

from app.cli import main

if __name__ == "__main__":
    main()
