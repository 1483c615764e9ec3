#' Label of the cohort, for the first line, every caption and every table.
#'
#' @param run Data frame `key`, `value`.
#' @return String.
cohort_label <- function(run) {
  run$value[run$key == "cohort"]
}

#' Whether the patients are simulated, so that no number can be compared with a printed one.
#'
#' @param label Cohort label.
#' @return Logical.
is_virtual_cohort <- function(label) {
  grepl("virtual", label, ignore.case = TRUE)
}

#' Who the patients and lesions are: the numbers of section 2.3 of the article.
#'
#' @param patients Data frame as patients.csv.
#' @param lesions Data frame as lesions.csv.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `quantity`, `level`, `value`, `low`, `high`, `unit`, `n`, `definition`; NA where the results do
#'   not tell.
compute_cohort_table <- function(patients, lesions, weights) {
  row <- function(quantity, level, value, unit, n, definition, low = NA_real_, high = NA_real_) {
    data.frame(quantity, level, value, low, high, unit, n, definition)
  }
  age <- patients$age_years[!is.na(patients$age_years)]
  sex <- patients$sex[!is.na(patients$sex)]
  age_half <- if (length(age) > 1) stats::qt(0.975, length(age) - 1) * stats::sd(age) / sqrt(length(age)) else NA_real_
  male <- if (length(sex) > 0) mean(sex == "M") else NA_real_
  male_interval <- compute_wilson_interval(male, length(sex))
  diameter_cm <- lesions$diameter_mm / 10
  diameter_interval <- compute_bootstrap_interval(resample_ratio(
    sum_by_patient(diameter_cm, lesions$patient_id, weights),
    sum_by_patient(rep(1, nrow(lesions)), lesions$patient_id, weights), weights
  ))
  small <- compute_clustered_proportion(lesions$diameter_mm < 20, lesions$patient_id)
  count <- "count"
  of_age <- "of the patients with a known age"
  of_sex <- "of the patients with a known sex"
  of_diameter <- "of the reference diameters"
  rbind(
    row("patients", "all", nrow(patients), "patients", nrow(patients), count),
    row("patients", "positive", sum(patients$group == "positive"), "patients", nrow(patients), count),
    row("patients", "negative", sum(patients$group == "negative"), "patients", nrow(patients), count),
    row("lesions", "LR-3/4/5", nrow(lesions), "lesions", nrow(lesions), count),
    row(
      "scanners", "all",
      if (all(is.na(patients$scanner))) NA_real_ else length(unique(stats::na.omit(patients$scanner))), "scanners",
      sum(!is.na(patients$scanner)), count
    ),
    row(
      "age", "mean", mean(age), "years", length(age), paste(of_age, "(t interval)"), mean(age) - age_half,
      mean(age) + age_half
    ),
    row("age", "standard deviation", stats::sd(age), "years", length(age), of_age),
    row(
      "sex", "male", 100 * male, "%", length(sex), paste(of_sex, "(Wilson)"), 100 * male_interval$low,
      100 * male_interval$high
    ),
    row(
      "sex", "female", 100 * (1 - male), "%", length(sex), paste(of_sex, "(Wilson)"), 100 * (1 - male_interval$high),
      100 * (1 - male_interval$low)
    ),
    row(
      "lesion diameter", "mean", mean(diameter_cm), "cm", nrow(lesions), paste(of_diameter, "(patient bootstrap)"),
      diameter_interval$low, diameter_interval$high
    ),
    row("lesion diameter", "standard deviation", stats::sd(diameter_cm), "cm", nrow(lesions), of_diameter),
    row("lesion diameter", "minimum", min(diameter_cm), "cm", nrow(lesions), of_diameter),
    row("lesion diameter", "maximum", max(diameter_cm), "cm", nrow(lesions), of_diameter),
    row(
      "lesions smaller than 2 cm", "LR-3/4/5", 100 * small$proportion, "%", nrow(lesions),
      "reference diameter (Wilson)",
      100 * small$low, 100 * small$high
    )
  )
}
