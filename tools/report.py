"""Write one HTML file about runs."""

from m3i_mm.commands.report import main_report

if __name__ == '__main__':
    main_report()
