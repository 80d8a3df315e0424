"""`python -m invoice_assets.cli`: the command line where its script is not installed."""

from invoice_assets.cli.application import main

main()
