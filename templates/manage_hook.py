if __name__ == "__main__":
    try:
        from donkey_sagemaker import plug_in
    except ImportError:  # not installed in this Python: all other commands work as usual
        import sys

        if sys.argv[1:] and sys.argv[1].startswith("sagemaker-"):
            sys.stderr.write("donkey-sagemaker is not installed in " + sys.executable + ".\n")
            sys.stderr.write(
                "Run `" + sys.executable + " -m pip install .` in the donkey-sagemaker folder.\n"
            )
            sys.exit(2)
    else:
        __doc__ = plug_in(__file__, __doc__)
