/// The slope of the least-squares line through the points on a log-log scale: 1 means linear growth, 2 quadratic.
pub(crate) fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<_> =
        points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|point| point.0), mean(&|point| point.1));
    let over = logs.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>();
    let under = logs.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>();
    over / under
}

#[cfg(test)]
mod tests {
    use super::exponent;

    #[test]
    fn the_exponent_of_a_square_is_two_and_that_of_a_constant_nothing() {
        let points = |of: &dyn Fn(f64) -> f64| [1.0, 10.0, 100.0].map(|x| (x, of(x))).to_vec();
        assert!((exponent(&points(&|x| 3.0 * x * x)) - 2.0).abs() < 1e-9);
        assert!((exponent(&points(&|x| 3.0 * x)) - 1.0).abs() < 1e-9);
        assert!(exponent(&points(&|_| 7.0)).abs() < 1e-9);
    }
}
