"""What a person does in the Dagster UI, done in a browser; the docs' screenshots are taken on the way."""
