//! The results as a report for people: one self-contained file, as HTML or as a picture.
