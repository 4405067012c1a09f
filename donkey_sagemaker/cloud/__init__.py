"""Where jobs run: AWS, or SageMaker as played by this machine."""
