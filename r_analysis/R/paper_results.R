PAPER_COLUMNS <- c("item", "quantity", "level", "value", "unit", "n", "note")

#' Reads the printed numbers.
#'
#' @param path CSV with the columns `PAPER_COLUMNS`; see data_manifests/README.md.
#' @return Data frame; `value` is text as printed, `number` is its value where it is a plain number, `n` is numeric.
#'   Raises an `input_error` with every problem.
read_paper_results <- function(path) {
  name <- basename(path)
  read <- read_text_table(path, name)
  stop_for_problems(read$problems)
  paper <- read$table
  absent <- setdiff(PAPER_COLUMNS, names(paper))
  stop_for_problems(new_problems(name, absent, rep(NA, length(absent)), "this column", rep("none", length(absent))))
  repeated <- which(duplicated(paper[c("item", "quantity", "level")]))
  n <- suppressWarnings(as.numeric(paper$n))
  bad_n <- which(paper$n != "" & is.na(n))
  stop_for_problems(rbind(
    new_problems(
      name, "item + quantity + level", repeated + 1, "each combination once", rep("a repetition", length(repeated))
    ),
    new_problems(name, "n", bad_n + 1, "a whole number", sprintf("'%s'", paper$n[bad_n]))
  ))
  paper$n <- n
  paper$number <- suppressWarnings(as.numeric(paper$value))
  paper
}

#' Printed values of one quantity.
#'
#' @param paper Data frame as of [read_paper_results()].
#' @param quantity,item Which.
#' @return Data frame `level`, `number`, `n`; no rows where the article prints nothing.
select_paper <- function(paper, quantity, item = unique(paper$item)) {
  paper[paper$quantity == quantity & paper$item %in% item, c("level", "number", "n", "unit")]
}

#' Interval of a printed value, where the article gives enough for one.
#'
#' Shares with a printed or inferred n have a Wilson interval that ignores clustering; a mean with its standard
#' deviation has a normal interval.
#'
#' @param paper Data frame as of [read_paper_results()].
#' @return Data frame `low`, `high` (in the unit of the value) and `method` ("" without interval), one row a row of
#'   `paper`.
compute_paper_intervals <- function(paper) {
  is_share <- paper$unit == "%" & !is.na(paper$number) & !is.na(paper$n)
  wilson <- compute_wilson_interval(ifelse(is_share, paper$number / 100, NA), paper$n)
  of_mean <- paste(paper$item, paper$quantity)
  deviation <- paper[paper$level == "standard deviation", ]
  sd <- deviation$number[match(of_mean, paste(deviation$item, deviation$quantity))]
  is_mean <- paper$level == "mean" & !is.na(sd)
  half <- stats::qnorm(0.975) * sd / sqrt(paper$n)
  inferred <- ifelse(grepl("inferred", paper$note), " (n inferred)", "")
  data.frame(
    low = ifelse(is_share, 100 * wilson$low, ifelse(is_mean, paper$number - half, NA)),
    high = ifelse(is_share, 100 * wilson$high, ifelse(is_mean, paper$number + half, NA)),
    method = ifelse(
      is_share, paste0("Wilson, n = ", paper$n, inferred), ifelse(is_mean, paste0("normal, n = ", paper$n), "")
    )
  )
}
