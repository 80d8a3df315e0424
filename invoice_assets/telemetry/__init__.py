"""What a deployment tells of itself while it runs: metrics, and who takes them."""
