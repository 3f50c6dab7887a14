//! GEO_DISTANCE: the great-circle distance of two points (haversine formula).

use types::EvalError;

use crate::adapter::lift;
use crate::function::Scalar;

const EARTH_RADIUS_KM: f64 = 6371.0;
const EARTH_RADIUS_MILES: f64 = 3959.0;

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new(
            "GEO_DISTANCE",
            "OTHER",
            "Returns the distance of two points given by latitude and longitude.",
        )
        .overload(
            "(DOUBLE, DOUBLE, DOUBLE, DOUBLE) → DOUBLE",
            lift!(|lat1: f64, lon1: f64, lat2: f64, lon2: f64| distance([lat1, lon1], [lat2, lon2], None)),
        )
        .overload(
            "(DOUBLE, DOUBLE, DOUBLE, DOUBLE, STRING) → DOUBLE",
            lift!(|lat1: f64, lon1: f64, lat2: f64, lon2: f64, unit: Option<&str>| {
                distance([lat1, lon1], [lat2, lon2], unit)
            }),
        ),
    ]
}

/// Points are (latitude, longitude) in degrees; the unit is KM unless MI is asked for.
fn distance(from: [f64; 2], to: [f64; 2], unit: Option<&str>) -> Result<f64, EvalError> {
    for [latitude, longitude] in [from, to] {
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return Err(EvalError::new(format!(
                "no point on earth: latitude {latitude}, longitude {longitude}"
            )));
        }
    }
    let unit = unit.unwrap_or("KM").to_ascii_uppercase();
    let radius = if unit.starts_with("KM") || unit.starts_with("KI") {
        EARTH_RADIUS_KM
    } else if unit.starts_with("MI") {
        EARTH_RADIUS_MILES
    } else {
        return Err(EvalError::new(format!("unknown unit of distance \"{unit}\", expected KM or MI")));
    };
    // Term by term as ksqlDB's GeoDistance, so that the last digits agree.
    let [from_lat, from_lon] = from;
    let [to_lat, to_lon] = to;
    let half_chord = |degrees: f64| {
        let sine = (radians(degrees) / 2.0).sin();
        sine * sine
    };
    let chord = half_chord(to_lat - from_lat)
        + half_chord(to_lon - from_lon) * radians(from_lat).cos() * radians(to_lat).cos();
    Ok(2.0 * chord.sqrt().asin() * radius)
}

fn radians(degrees: f64) -> f64 {
    degrees / 180.0 * std::f64::consts::PI
}

#[cfg(test)]
mod tests {
    use crate::testing::{NULL, call, fails, value};

    #[test]
    fn distance_from_palo_alto_to_london() {
        let km = |unit| {
            let args = [value(37.4439), value(-122.1663), value(51.5257), value(-0.1122), unit];
            call("GEO_DISTANCE", &args).unwrap().as_f64().unwrap()
        };
        assert!((km(NULL) - 8634.6598).abs() < 1e-4);
        assert!((km(value("KM")) - 8634.6598).abs() < 1e-4);
        assert!((km(value("miles")) - 5365.6597).abs() < 1e-4);
        fails!("GEO_DISTANCE": (91.0, 0.0, 0.0, 0.0); (0.0, 0.0, 0.0, 0.0, "furlong"););
    }
}
