"""The pages: what people look at; plain HTML that script only makes livelier."""
