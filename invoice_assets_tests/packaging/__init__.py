"""What is made of the repository as it stands: the wheel, the site, the demo, `make dev`, a tenth resource."""
