//! The scalar functions: one value for each row.

mod abs_ceil_floor;
mod array_contains;
mod array_join;
mod array_length;
mod array_order;
mod array_set;
mod bounded;
mod chr;
mod clock;
mod concat;
mod conditional;
mod convert_tz;
mod date_add;
mod elt_field;
mod encoding;
mod extract_json_field;
mod from_epoch;
mod generate_series;
mod geo_distance;
mod greatest_least;
mod initcap;
mod instr;
mod json;
mod lambda;
mod len;
mod letter_case;
mod map;
mod mask;
mod math;
mod md5;
mod number_from_bytes;
mod pad;
mod random;
mod regexp;
mod replace;
mod round_trunc;
mod slice;
mod split;
mod split_to_map;
mod substring;
mod time_text;
mod to_json_string;
mod trim;
mod url_extract;
mod url_param;
mod uuid;

use crate::function::Scalar;

/// Returns every scalar function.
pub(crate) fn all() -> Vec<Scalar> {
    [
        abs_ceil_floor::functions(),
        array_contains::functions(),
        array_join::functions(),
        array_length::functions(),
        array_order::functions(),
        array_set::functions(),
        chr::functions(),
        clock::functions(),
        concat::functions(),
        conditional::functions(),
        convert_tz::functions(),
        date_add::functions(),
        elt_field::functions(),
        encoding::functions(),
        extract_json_field::functions(),
        from_epoch::functions(),
        generate_series::functions(),
        geo_distance::functions(),
        greatest_least::functions(),
        initcap::functions(),
        instr::functions(),
        json::functions(),
        lambda::functions(),
        len::functions(),
        letter_case::functions(),
        map::functions(),
        mask::functions(),
        math::functions(),
        md5::functions(),
        number_from_bytes::functions(),
        pad::functions(),
        random::functions(),
        regexp::functions(),
        replace::functions(),
        round_trunc::functions(),
        slice::functions(),
        split::functions(),
        split_to_map::functions(),
        substring::functions(),
        time_text::functions(),
        to_json_string::functions(),
        trim::functions(),
        url_extract::functions(),
        url_param::functions(),
        uuid::functions(),
    ]
    .concat()
}
