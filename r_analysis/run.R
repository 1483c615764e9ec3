# Results CSVs in, report out: Rscript r_analysis/run.R --results DIR --out DIR [--paper CSV] [--cores N]
# Exit status: 0 done, 1 a package or pandoc is missing or a defect, 2 bad input (all is printed, nothing is written).

# Rscript writes spaces of the path as "~+~".
script <- gsub("~+~", " ", sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]), fixed = TRUE)
folder <- dirname(normalizePath(script))
invisible(Sys.setlocale("LC_COLLATE", "C"))
if (!isTRUE(l10n_info()[["UTF-8"]])) {
  invisible(suppressWarnings(Sys.setlocale("LC_CTYPE", "C.UTF-8")))
}
for (file in sort(list.files(file.path(folder, "R"), "[.]R$", full.names = TRUE), method = "radix")) {
  source(file, encoding = "UTF-8")
}

main <- function() {
  arguments <- parse_arguments(
    commandArgs(TRUE),
    list(paper = file.path(dirname(folder), "data_manifests", "paper_results.csv"), cores = parallel::detectCores())
  )
  if (isTRUE(arguments$help)) {
    cat(USAGE, "\n", sep = "")
    return(0)
  }
  missing <- describe_missing_software()
  if (!is.null(missing)) {
    message(missing)
    return(1)
  }
  read <- evaluate_all(list(
    out = function() stop_for_problems(check_output_folder(arguments$out)),
    paper = function() read_paper_results(arguments$paper),
    results = function() read_results(arguments$results, read_schema(file.path(folder, "schema.csv"))),
    pictures = function() find_pictures(arguments$results, file.path(folder, "reader.png")),
    yardsticks = function() {
      read_yardsticks(file.path(folder, "yardsticks.csv"), read_schema(file.path(folder, "yardsticks_schema.csv")))
    }
  ))
  options(lirads.cores = arguments$cores)
  analysis <- run_analysis(read$results, read$paper, read$pictures, yardsticks = read$yardsticks)
  replace_folder(arguments$out, function(beside) {
    write_tables(analysis, beside)
    figures <- build_figures(analysis)
    write_figures(figures, file.path(beside, "figures"), analysis$label)
    render_report(analysis, figures, file.path(beside, "figures"), folder, file.path(beside, "report.html"))
  })
  message("report: ", file.path(arguments$out, "report.html"))
  0
}

status <- tryCatch(main(), input_error = function(error) {
  message(conditionMessage(error))
  2
})
quit(status = status)
