USAGE <- "Usage: Rscript r_analysis/run.R --results DIR --out DIR [--paper CSV]

  --results DIR  folder of the results CSVs (see DATA_DICTIONARY.md)
  --out DIR      folder to write: report.html, paper_comparison.csv, figures/,
  tables/; an earlier report there is replaced
  --paper CSV    printed numbers (default: data_manifests/paper_results.csv of this repository)"

#' Reads the command line.
#'
#' @param arguments Character vector; `--name value` and `--name=value` are understood.
#' @param defaults Named list of defaults.
#' @return Named list `results`, `out`, `paper`, or `help` = TRUE. Raises an `input_error` with every problem.
parse_arguments <- function(arguments, defaults) {
  if (any(arguments %in% c("--help", "-h"))) {
    return(list(help = TRUE))
  }
  joined <- grepl("^--[a-z]+=", arguments)
  words <- unlist(ifelse(joined, strsplit(sub("=", "\r", arguments, fixed = TRUE), "\r", fixed = TRUE), arguments))
  options <- c("--results", "--out", "--paper")
  given <- defaults
  problems <- new_problems()
  i <- 1
  while (i <= length(words)) {
    has_value <- i < length(words) && nzchar(words[i + 1]) && !startsWith(words[i + 1], "--")
    if (!words[i] %in% options) {
      found <- sprintf("'%s'", words[i])
      problems <- rbind(problems, new_problems("command line", "", NA, paste(options, collapse = " or "), found))
    } else if (!has_value) {
      problems <- rbind(problems, new_problems("command line", "", NA, paste("a path after", words[i]), "none"))
    } else {
      given[[sub("^--", "", words[i])]] <- words[i + 1]
      i <- i + 1
    }
    i <- i + 1
  }
  absent <- setdiff(options, c(words, paste0("--", names(given))))
  none <- rep("none", length(absent))
  stop_for_problems(rbind(problems, new_problems("command line", "", rep(NA, length(absent)), absent, none)))
  given
}
