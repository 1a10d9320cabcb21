//! What does not fit is refused with the code that the public surface names, and changes nothing.
