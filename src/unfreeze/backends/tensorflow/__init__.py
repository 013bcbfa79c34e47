"""TensorFlow behind the port: Keras 3 networks, freezing, steps."""
