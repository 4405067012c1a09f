"""SageMaker and what belongs to it, on AWS: the only package that imports boto3 and botocore."""
