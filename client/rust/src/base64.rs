//! Audio and pictures as they are on the wire: base64, by the alphabet with `+` and `/`, padded.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((bytes.len() + 2) / 3 * 4);
    for group in bytes.chunks(3) {
        let all = group.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
        let all = all << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = char::from(ALPHABET[all >> (18 - 6 * place) & 63]);
            text.push(if place > group.len() { '=' } else { letter });
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut values = [None; 256];
    ALPHABET
        .iter()
        .zip(0u32..)
        .for_each(|(letter, value)| values[usize::from(*letter)] = Some(value));
    let letters = text.trim_end_matches('=').as_bytes();
    if text.len() % 4 != 0 || text.len() - letters.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3 + 2);
    for group in letters.chunks(4) {
        let mut all = 0;
        for letter in group {
            all = all << 6 | values[usize::from(*letter)]?;
        }
        let whole = (all << (6 * (4 - group.len()))).to_be_bytes();
        bytes.extend(&whole[1..group.len()]);
    }
    Some(bytes)
}

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(bytes))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    decode(&String::deserialize(from)?).ok_or_else(|| D::Error::custom("it is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_length_come_back() {
        let known =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, text) in known {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), plain.as_bytes());
        }
        let all: Vec<u8> = (0..=255).rev().collect();
        assert_eq!(decode(&encode(&all)).unwrap(), all);
        assert_eq!((encode(&[251, 255]), decode("+/8=")), ("+/8=".into(), Some(vec![251, 255])));
    }

    #[test]
    fn what_is_not_base64_is_not_read() {
        for text in ["Z", "Zg", "Zg=", "Z===", "====", "Zm9v\n", "Zm-v", "Zé==", "Z=g="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
