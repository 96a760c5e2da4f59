"""``python -m m3i_mm`` is the command ``m3i``."""

from m3i_mm.commands import main

if __name__ == '__main__':
    main()
