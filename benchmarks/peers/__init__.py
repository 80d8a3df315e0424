"""What a user would pick instead of this project, each loading all nine resources into one DuckDB file.

`loaders.py` lists them. They know nothing of `invoice_assets`: what they read stands in `endpoints.py`.
"""
