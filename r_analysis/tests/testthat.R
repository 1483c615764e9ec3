# Runs all tests: Rscript r_analysis/tests/testthat.R; exit status 1 if any fails.
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1])
folder <- dirname(normalizePath(gsub("~+~", " ", script, fixed = TRUE)))
invisible(Sys.setlocale("LC_COLLATE", "C"))
if (!isTRUE(l10n_info()[["UTF-8"]])) {
  invisible(suppressWarnings(Sys.setlocale("LC_CTYPE", "C.UTF-8")))
}
testthat::test_dir(file.path(folder, "testthat"), reporter = "summary", stop_on_failure = TRUE)
