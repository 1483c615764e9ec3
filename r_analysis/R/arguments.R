USAGE <- "Usage: Rscript r_analysis/run.R --results DIR --out DIR [--paper CSV] [--cores N]

  --results DIR  folder of the results CSVs (see DATA_DICTIONARY.md)
  --out DIR      folder to write: report.html, paper_comparison.csv, figures/,
  tables/; an earlier report there is replaced
  --paper CSV    printed numbers (default: data_manifests/paper_results.csv of this repository)
  --cores N      processes to work with (default: all cores); the results are the same with any number"

#' Reads the command line.
#'
#' @param arguments Character vector; `--name value` and `--name=value` are understood.
#' @param defaults Named list of defaults.
#' @return Named list `results`, `out`, `paper`, `cores`, or `help` = TRUE. Raises an `input_error` with every problem.
parse_arguments <- function(arguments, defaults) {
  if (any(arguments %in% c("--help", "-h"))) {
    return(list(help = TRUE))
  }
  joined <- grepl("^--[a-z]+=", arguments)
  words <- unlist(ifelse(joined, strsplit(sub("=", "\r", arguments, fixed = TRUE), "\r", fixed = TRUE), arguments))
  options <- c("--results", "--out", "--paper", "--cores")
  given <- defaults
  problems <- new_problems()
  i <- 1
  while (i <= length(words)) {
    has_value <- i < length(words) && nzchar(words[i + 1]) && !startsWith(words[i + 1], "--")
    if (!words[i] %in% options) {
      found <- sprintf("'%s'", words[i])
      problems <- rbind(problems, new_problems("command line", "", NA, paste(options, collapse = " or "), found))
    } else if (!has_value) {
      problems <- rbind(problems, new_problems("command line", "", NA, paste("a value after", words[i]), "none"))
    } else {
      given[[sub("^--", "", words[i])]] <- words[i + 1]
      i <- i + 1
    }
    i <- i + 1
  }
  absent <- setdiff(options, c(words, paste0("--", names(given)), "--cores"))
  none <- rep("none", length(absent))
  problems <- rbind(problems, new_problems("command line", "", rep(NA, length(absent)), absent, none))
  if (!is.null(given$cores) && !grepl("^[1-9][0-9]{0,2}$", given$cores)) {
    found <- sprintf("'%s'", given$cores)
    problems <- rbind(problems, new_problems("command line", "", NA, "a whole number from 1 after --cores", found))
  }
  stop_for_problems(problems)
  if (!is.null(given$cores)) given$cores <- as.integer(given$cores)
  given
}
