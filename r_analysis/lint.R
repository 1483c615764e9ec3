# Lints all R code of this folder: Rscript r_analysis/lint.R; exit status 1 if there is anything to say.
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1])
folder <- dirname(normalizePath(gsub("~+~", " ", script, fixed = TRUE)))
setwd(folder)
found <- lintr::lint_dir(".", pattern = "[.](R|Rmd)$")
if (length(found) > 0) {
  print(found)
  quit(status = 1)
}
cat("lintr: nothing to say\n")
