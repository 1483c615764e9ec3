#' Judges each measured quantity of the virtual cohort against the literature.
#'
#' Where the literature gives an interval: `below`, `within` or `above` it, its ends counting as within. Where it gives
#' a value only: `below` or `above` if that value lies outside the measured interval, `within` if it lies inside, and
#' `no interval` if nothing was measured to judge by.
#'
#' @param realism Data frame as cohort_realism.csv.
#' @return The data frame with `verdict` (below, within, above, no interval, no literature, not measured).
judge_realism <- function(realism) {
  has_range <- !is.na(realism$literature_low) | !is.na(realism$literature_high)
  has_value <- !is.na(realism$literature)
  has_own <- !is.na(realism$measured_low) & !is.na(realism$measured_high)
  lowest <- ifelse(is.na(realism$literature_low), -Inf, realism$literature_low)
  highest <- ifelse(is.na(realism$literature_high), Inf, realism$literature_high)
  in_range <- ifelse(realism$measured < lowest, "below", ifelse(realism$measured > highest, "above", "within"))
  around_value <- ifelse(
    realism$measured_high < realism$literature, "below",
    ifelse(realism$measured_low > realism$literature, "above", "within")
  )
  realism$verdict <- ifelse(
    is.na(realism$measured), "not measured",
    ifelse(
      has_range, in_range,
      ifelse(!has_value, "no literature", ifelse(has_own, around_value, "no interval"))
    )
  )
  realism
}

#' What a row of the realism table is about.
#'
#' @param realism Data frame `quantity`, `group`, `phase`.
#' @return Character vector such as "lesion over liver signal, HCC, arterial".
describe_quantity <- function(realism) {
  words <- cbind(realism$quantity, realism$group, gsub("_", " ", realism$phase))
  apply(words, 1, function(row) paste(row[!is.na(row)], collapse = ", "))
}

#' Value of a quantity in the literature, or its range.
#'
#' @param realism Data frame as cohort_realism.csv.
#' @param digits Decimals, one a row.
#' @return Character vector; a dash where the literature has nothing.
format_literature <- function(realism, digits) {
  low <- format_each(realism$literature_low, digits)
  high <- format_each(realism$literature_high, digits)
  has_low <- !is.na(realism$literature_low)
  has_high <- !is.na(realism$literature_high)
  range <- ifelse(
    has_low & has_high, sprintf("[%s, %s]", low, high),
    ifelse(has_low, paste("at least", low), ifelse(has_high, paste("at most", high), ""))
  )
  value <- ifelse(is.na(realism$literature), "", format_each(realism$literature, digits))
  text <- trimws(paste(value, range))
  keep_together(ifelse(text == "", "\u2013", text))
}

#' Whether a row is held against the model's own nominal values, and not against what others measured.
#'
#' @param realism Data frame as cohort_realism.csv.
#' @return Logical vector.
is_nominal <- function(realism) {
  startsWith(ifelse(is.na(realism$source), "", realism$source), "nominal")
}

#' Decimals for the rows of the realism table: one, three for what is below 10.
#'
#' @param realism Data frame as cohort_realism.csv.
#' @return Numeric vector.
choose_realism_digits <- function(realism) {
  size <- pmax(abs(realism$measured), abs(realism$literature), abs(realism$literature_high), na.rm = TRUE)
  ifelse(is.na(size) | size >= 10, 1, 3)
}

#' The deviations of the virtual cohort from the literature, in words.
#'
#' @param realism Data frame as of [judge_realism()].
#' @return Named character vector, one sentence a quantity that lies outside; names are the sources.
describe_deviations <- function(realism) {
  outside <- realism[realism$verdict %in% c("below", "above"), ]
  if (nrow(outside) == 0) {
    return(character())
  }
  digits <- choose_realism_digits(outside)
  unit <- ifelse(is.na(outside$unit), "", paste0("\u00a0", outside$unit))
  has_range <- !is.na(outside$literature_low) | !is.na(outside$literature_high)
  nearest <- ifelse(
    has_range, ifelse(outside$verdict == "below", outside$literature_low, outside$literature_high), outside$literature
  )
  limit <- ifelse(has_range, ifelse(outside$verdict == "below", "the lower limit", "the upper limit"), "the value")
  n <- ifelse(is.na(outside$n), "", sprintf(" (n = %s)", format_number(outside$n, 0)))
  sentences <- sprintf(
    "%s: %s%s measured%s, %s %s %s%s by %s%s.",
    describe_quantity(outside), format_each(outside$measured, digits), unit, n, outside$verdict, limit,
    format_each(nearest, digits), unit, format_each(abs(outside$measured - nearest), digits),
    ifelse(unit == "\u00a0%", " points", unit)
  )
  stats::setNames(sentences, ifelse(is.na(outside$source), "no source named", outside$source))
}

#' The deviations as a list in Markdown, by source.
#'
#' @param deviations Named character vector as of [describe_deviations()].
#' @return String; empty without deviations.
list_deviations <- function(deviations) {
  sources <- unique(names(deviations))
  items <- vapply(sources, function(source) {
    own <- deviations[names(deviations) == source]
    paste0("- Virtual cohort against ", source, ":\n", paste0("    - ", own, collapse = "\n"))
  }, character(1))
  paste(items, collapse = "\n")
}

#' How many quantities lie where, in a sentence.
#'
#' @param realism Data frame as of [judge_realism()].
#' @param what What they are held against.
#' @return String; empty without rows.
summarize_realism <- function(realism, what) {
  if (nrow(realism) == 0) {
    return("")
  }
  count <- function(verdicts) sum(realism$verdict %in% verdicts)
  judged <- count(c("below", "within", "above"))
  others <- nrow(realism) - judged
  paste0(
    "Of ", judged, " quantities that can be held against ", what, ", ", count("within"),
    " lie within the interval and ", count(c("below", "above")), " outside (", count("below"), " below, ",
    count("above"), " above)",
    if (others > 0) paste0("; ", others, " cannot be judged"), "."
  )
}
