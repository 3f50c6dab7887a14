//! MD5: the digest of a text in hex.

use md5::{Digest, Md5};

use crate::adapter::lift;
use crate::function::Scalar;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new("MD5", "STRING", "Returns the MD5 digest of a text in hex.")
            .overload("(STRING) → STRING", lift!(|text: &str| md5(text))),
    ]
}

fn md5(text: &str) -> String {
    let digest = Md5::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, cases};

    #[test]
    fn digests_of_rfc_1321() {
        cases!("MD5":
            ("") => "d41d8cd98f00b204e9800998ecf8427e";
            ("abc") => "900150983cd24fb0d6963f7d28e17f72";
            (NULL) => NULL;
        );
    }
}
